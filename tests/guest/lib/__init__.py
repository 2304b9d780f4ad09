# SPDX-License-Identifier: MIT
"""Runs guests: what the demo and the guest tests have in common."""
