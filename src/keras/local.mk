# src/keras: row 4
noinst_HEADERS += src/keras/layer.h src/keras/layers.def src/keras/keras.h
# the core
libkerasd_a_SOURCES += \
	src/keras/activation.c \
	src/keras/build.h \
	src/keras/config.c \
	src/keras/json.c src/keras/json.h \
	src/keras/table.c
# layer families
libkerasd_a_SOURCES += \
	src/keras/core.c \
	src/keras/regularization.c
# recurrent layers and wrappers
libkerasd_a_SOURCES += \
	src/keras/bidirectional.c \
	src/keras/conv_lstm.c \
	src/keras/time_distributed.c \
	src/keras/wrappers.c \
	src/keras/recurrent.c src/keras/recurrent.h \
	src/keras/recurrent_unroll.c \
	src/keras/recurrent_weights.c
# operations
libkerasd_a_SOURCES += \
	src/keras/ops.c src/keras/ops.h \
	src/keras/ops_args.c \
	src/keras/ops_dtype.c \
	src/keras/ops_json.c \
	src/keras/ops_math.c src/keras/ops_math.h \
	src/keras/ops_reduce.c \
	src/keras/ops_shape.c
