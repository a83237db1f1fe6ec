# src/h5: the loader child, a program of its own: base, tensor, image writer and libhdf5
