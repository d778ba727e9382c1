"""What a failed assertion of the suite compares is shown, as in a test of this folder."""

import pytest

pytest.register_assert_rewrite("nextbridge.sandbox.contract")
