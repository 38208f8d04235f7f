"""A Salesforce org on loopback, for tests of programs that use this package.

```python
def test_my_program(forcegrant_org):
    token = forcegrant_org.client().token()
    forcegrant_org.kill_sessions()  # an administrator ends all sessions
```

`forcegrant_org` and `forcegrant_emulator` are pytest fixtures; without pytest,
use `Emulator` as a context manager. The emulator is a package of its own:
`pip install 'forcegrant[testing]'`. `TestClock` lets a test move a client's time.

`check_store` and `check_store_async` check the contract of a store of your own.
"""

from forcegrant._native import TestClock
from forcegrant.testing._emulator import Emulator, EmulatorError, Org
from forcegrant.testing._stores import check_store, check_store_async

__all__ = ["Emulator", "EmulatorError", "Org", "TestClock", "check_store", "check_store_async"]
