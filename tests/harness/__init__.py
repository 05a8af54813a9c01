# SPDX-License-Identifier: MIT
"""The test harness: see tests/run."""
