"""What comes with a message, made readable for a model: pictures, papers, recordings, pages.

Files are read from the media store, pages through the guarded client; what parses them runs in
a confined child process. All that comes out is data between fences that it cannot close.
"""
