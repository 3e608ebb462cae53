"""Slow modes by networks: SRV, VAMPNet, eigenfunctions of generator and transfer operator."""
