"""`graf view`: a page in the browser that explores a generator, and the server behind it."""
