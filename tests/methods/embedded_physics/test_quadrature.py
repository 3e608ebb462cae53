"""Refined ln q of narrow models against the Gaussian that a linear decoder makes."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from fel_explorer.methods.embedded_physics.density import LatentDensity
from fel_explorer.methods.embedded_physics.quadrature import refined_log_prob


def linear_model(n_dims, width, dim=3, **options):
    generator = torch.Generator().manual_seed(0)
    ones = np.ones(dim)
    model = LatentDensity(
        n_dims, 0.3 * ones, 1.5 * ones, 0 * ones, width * ones, generator, hidden=(), **options
    )
    model = model.double()
    weight = 1.5 * model.decoder[0].weight.detach().numpy()
    mean = 0.3 + 1.5 * model.decoder[0].bias.detach().numpy()
    return model, multivariate_normal(mean, weight @ weight.T + width**2 * np.eye(dim))


@pytest.mark.parametrize(("n_dims", "width"), [(1, 0.5), (1, 0.01), (2, 0.5), (2, 0.05), (2, 0.01)])
def test_refined_density_is_exact_where_the_fixed_grid_is_not(n_dims, width):
    model, exact = linear_model(n_dims, width)
    x = exact.rvs(60, random_state=1)
    found = refined_log_prob(model, torch.as_tensor(x)).numpy()
    np.testing.assert_allclose(found, exact.logpdf(x), atol=0.02)
    if width == 0.01:
        with torch.no_grad():
            fixed = model.log_prob(torch.as_tensor(x)).numpy()
        assert np.abs(fixed - exact.logpdf(x)).max() > 0.5


def test_a_density_that_stays_unstable_is_warned_of():
    model, exact = linear_model(2, 1e-4)
    with pytest.warns(UserWarning, match="of 5 samples is not stable"):
        refined_log_prob(model, torch.as_tensor(exact.rvs(5, random_state=1)))


def test_more_than_two_dimensions_have_no_quadrature():
    model, exact = linear_model(3, 0.5, encoder_hidden=())
    x = torch.as_tensor(exact.rvs(4, random_state=0))
    with torch.no_grad():
        expected = model.log_prob(x)
    torch.testing.assert_close(refined_log_prob(model, x), expected)


def test_periodic_coordinates_are_refined_too():
    generator = torch.Generator().manual_seed(3)
    period = np.array([2 * np.pi, 0.0, 2 * np.pi])
    args = np.zeros(3), np.ones(3), period, 0.03 * np.ones(3)
    model = LatentDensity(2, *args, generator, carried=[0, 2], hidden=(8,)).double()
    with torch.no_grad():
        _, x = model.draw(30, torch.Generator().manual_seed(4))
        z, log_weight = model.grid(torch.arange(641**2), 641)
        parts = [torch.logsumexp(log_weight + model.log_conditional(one, model.mean(z)), 0) for one in x[:5]]
    torch.testing.assert_close(refined_log_prob(model, x)[:5], torch.stack(parts), atol=0.02, rtol=0)
