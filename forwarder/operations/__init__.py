"""What an operator can do, once: the command line, the JSON API and the console's pages all call these functions.

Each takes what was asked for and answers with a plain value (a msgspec struct), which is also its JSON.
"""
