"""What is wrong on this machine, and how to mend it: looked for from outside, changing nothing."""
