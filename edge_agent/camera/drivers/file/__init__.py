"""A video file played as a camera: at its own speed, over and over.

An H.264 file whose picture needs no change is passed through as it is, without decoding; anything else is
decoded, changed and left to the encoder. `options` is light; `driver` brings FFmpeg with it.
"""
