"""What the box looks at by itself: lease files, neighbour tables, its own address outside."""
