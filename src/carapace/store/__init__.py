"""The database: the only room that writes to disk what must survive.

Other rooms hand `Database.read` or `Database.write` a short synchronous function over `Tx`;
one writer thread commits for all who wait. Their SQL lives in their own `records.py`.
"""
