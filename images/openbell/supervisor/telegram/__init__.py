"""A Telegram bot that answers and acts for named chats, in a process of its own that asks the page's API."""
