"""What a callable or an object is: its code, what that refers to, and its state, as texts to compare.

The same object has the same identity in every process; another one, or one that depends on anything
that is different, has another. What cannot be known is said, and never passed over.
"""
