"""Where the contents of attachments lie: `FileStore`, and `LocalFiles`, which keeps them in a local directory."""

from backscroll.storage.files.contract import CHUNK_BYTES, HOLD_S, FileStore, Held, IsNeeded, Owner
from backscroll.storage.files.local import LocalFiles

__all__ = ["CHUNK_BYTES", "HOLD_S", "FileStore", "Held", "IsNeeded", "LocalFiles", "Owner"]
