"""What goes back and forth."""

from __future__ import annotations

MESSAGE = '{"action":"echo","id":123456,"data":"abcdefghijklmnopqrstuvwxy"}'  # 64 bytes
# Of the message's size, so that both sides write as much as an echo does.
ANSWER = '{"answer":"the quick brown fox jumps over the lazy dog, surely"}'
