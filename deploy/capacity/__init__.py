"""What is to run needs of a machine's memory, and whether the machine has it: `make plan`."""
