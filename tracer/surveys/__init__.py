"""A whole data set in one survey: what recordings say of one pass, counted over many pictures.

A `Survey` is plain data. Two of them, of other pictures and the same model, add up: ``a + b``.
"""
