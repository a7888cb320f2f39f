"""The program that runs on a server: it is sent as one file with each command, and needs Python 3.9 and nothing else.

Modules here import the standard library and each other only. `deploy/ssh/program.py` joins and sends them.
"""
