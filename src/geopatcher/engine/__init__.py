"""The one loop: strips are read, cut, operated on, accumulated, finished and written."""
