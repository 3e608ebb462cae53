"""What CUDA and MPS accept and where they wait, by operator: the rules of the simulated device.

Sources: torch's documentation of each function, "CUDA semantics" and `torch.cuda.set_sync_debug_mode`; the
rule for 0-dimensional CPU tensors is that of TensorIterator (pointwise operators only).
"""

import torch

aten = torch.ops.aten

# operators whose result the host must read before it goes on: shapes that depend on values, error codes
WAITING = {
    aten._local_scalar_dense: "item",
    aten.nonzero: "nonzero",
    aten.masked_select: "masked_select",
    aten._unique2: "unique",
    aten.unique_dim: "unique",
    aten.unique_consecutive: "unique_consecutive",
    aten.bincount: "bincount",
    aten.equal: "equal",
    aten.allclose: "allclose",
    aten.is_nonzero: "bool",
    aten._linalg_eigh: "linalg.eigh",
    aten._linalg_svd: "linalg.svd",
    aten.linalg_eig: "linalg.eig",
    aten._linalg_check_errors: "error code of linalg",
    aten.linalg_lstsq: "linalg.lstsq",
    aten.linalg_matrix_exp: "linalg.matrix_exp",
}
INTEGER_PRODUCTS = {aten.mm, aten.bmm, aten.addmm, aten.mv, aten.dot, aten.addmv, aten.baddbmm}
COPIES = {aten.copy_, aten._foreach_copy_}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
SCALAR_TAKERS = {aten.masked_fill, aten.masked_fill_, aten.index_fill, aten.index_fill_, aten.fill_}
NOT_ON_CUDA = {aten.histogram, aten._histogramdd_bin_edges, aten.linalg_ldl_solve, aten.channel_shuffle}
VALIDATED = {aten.repeat_interleave}
NO_FLOAT64 = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)


def check_devices(func, args, tensors, tag_of) -> None:
    """Raise as torch does where tensors of several devices meet."""
    packet = func.overloadpacket
    if packet in COPIES:
        return
    if packet in INDEXING:
        _check_indexing(func, args, tag_of)
        return
    scalars = torch.Tag.pointwise in func.tags or packet in SCALAR_TAKERS
    devices = {}
    for tensor in tensors:
        tag = tag_of(tensor)
        if tag is None or (scalars and tag.type == "cpu" and tensor.dim() == 0):
            continue
        devices.setdefault(tag, tensor)
    if len(devices) > 1:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{' and '.join(sorted(map(str, devices), reverse=True))}! (in {func})"
        )


def _check_indexing(func, args, tag_of) -> None:
    own, indices = tag_of(args[0]), [i for i in args[1] if i is not None]
    for index in indices:
        tag = tag_of(index)
        if own is not None and tag is not None and tag.type != "cpu" and tag != own:
            raise RuntimeError(
                f"indices should be either on cpu or on the same device as the indexed tensor ({own})"
            )
    if len(args) > 2:
        value = tag_of(args[2])
        if own is not None and value is not None and value != own and args[2].dim():
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{own} and {value}! (in {func})"
            )


def check_support(func, args, kwargs, device) -> None:
    """Raise where the operator does not exist on the device."""
    packet = func.overloadpacket
    if device.type == "mps" and any(
        v is torch.float64 or (isinstance(v, torch.Tensor) and v.dtype == torch.float64 and v.dim())
        for v in (*args, *kwargs.values())
    ):
        raise TypeError(NO_FLOAT64)
    if device.type != "cuda":
        return
    if packet in NOT_ON_CUDA:
        raise NotImplementedError(f"Could not run '{func}' with arguments from the 'CUDA' backend.")
    if packet in INTEGER_PRODUCTS and not (args[0].dtype.is_floating_point or args[0].dtype.is_complex):
        raise RuntimeError(f'"addmm_cuda" not implemented for {str(args[0].dtype)!r}')


def reason_to_wait(func, args, tag_of) -> str | None:
    """Why the host waits for the device at this operator; None where it does not."""
    packet = func.overloadpacket
    if packet in WAITING:
        return WAITING[packet]
    if packet is aten.multinomial:  # with replacement only the kernel checks the weights
        replacement = args[2] if len(args) > 2 else False
        return None if replacement and args[1] > 1 else "multinomial"
    if packet in VALIDATED and isinstance(args[0], torch.Tensor) and len(args) < 2:
        return "repeat_interleave"
    if packet not in INDEXING:
        return None
    indices = [i for i in args[1] if i is not None]
    if any(tag_of(i) is not None and tag_of(i).type == "cpu" for i in indices):
        return "index on the CPU"
    masks = [i for i in indices if i.dtype in (torch.bool, torch.uint8)]
    if not masks:
        return None
    # one mask and a number: torch writes it by masked_fill
    value = args[2] if len(args) > 2 else None
    if value is not None and value.numel() == 1 and (tag_of(value) or torch.device("cpu")).type == "cpu":
        return None if len(masks) == len(indices) == 1 else "boolean mask"
    return "boolean mask"
