"""Without Docker: the strategies and the supervisor as plain processes of this machine, with the same journal and page."""
