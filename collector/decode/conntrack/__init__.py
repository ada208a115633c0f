"""What the kernel tells of connections it tracks (ctnetlink), to rows of the `flows` log."""
