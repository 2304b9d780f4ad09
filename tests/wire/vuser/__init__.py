# SPDX-License-Identifier: MIT
"""A second reading of the vfio-user protocol, written from its specification.

Nothing here is shared with the C side: where both agree, two readers of
docs/interop/vfio-user.rst agreed.
"""
