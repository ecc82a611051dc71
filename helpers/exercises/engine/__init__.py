"""What judges an answer: running it beside the solution, and finding the most useful sentence."""
