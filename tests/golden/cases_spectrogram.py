"""Spectrogram layers of Keras 3. STFTSpectrogram needs scipy to be made (not to be served)."""
ENVIRONMENTS = ["keras3"]


def define(k, case):
    L = k.layers
    shape = [100, 2]
    for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"):
        case("stft_" + mode, lambda m=mode: k.one(shape, L.STFTSpectrogram(mode=m, frame_length=16, frame_step=5)),
             randomise=False, batches=(1, 3))
    case("stft_expand_dims", lambda: k.one(shape, L.STFTSpectrogram(frame_length=16, expand_dims=True)),
         randomise=False, batches=(1, 3))
    case("stft_same", lambda: k.one([100, 1], L.STFTSpectrogram(
        frame_length=16, fft_length=32, padding="same", mode="magnitude", scaling="spectrum")),
        randomise=False, batches=(1, 3))
    small = dict(fft_length=64, sequence_stride=20, num_mel_bins=9)
    case("mel", lambda: k.one([300], L.MelSpectrogram(**small)), mixes_rows=True, batches=(1, 3))
    case("mel_power", lambda: k.one([300], L.MelSpectrogram(
        sequence_length=50, power_to_db=False, mag_exp=1.0, window="hamming", **small)), batches=(1, 3))
    case("mel_no_window", lambda: k.one([300], L.MelSpectrogram(
        sequence_length=50, window=None, min_freq=100.0, top_db=20.0, ref_power=0.5, **small)),
        mixes_rows=True, batches=(1, 3))
