# src/keras: row 4
noinst_HEADERS += src/keras/layer.h src/keras/layers.def src/keras/keras.h
# the core
libkerasd_a_SOURCES += \
	src/keras/activation.c \
	src/keras/archive_path.c \
	src/keras/args.c \
	src/keras/bind.c \
	src/keras/bind_archive.c \
	src/keras/build.h \
	src/keras/call.c \
	src/keras/config.c \
	src/keras/constant.c \
	src/keras/convert.c \
	src/keras/describe.c src/keras/describe.h \
	src/keras/functional.c \
	src/keras/guess.c \
	src/keras/input.c \
	src/keras/json.c src/keras/json.h \
	src/keras/keras1.c \
	src/keras/layer.c \
	src/keras/model.c src/keras/model.h \
	src/keras/note.c \
	src/keras/order.c \
	src/keras/policy.c \
	src/keras/quantized.c \
	src/keras/quantized.h \
	src/keras/print.c \
	src/keras/run.c \
	src/keras/sequential.c \
	src/keras/listing.c \
	src/keras/merge_head.c \
	src/keras/graph_model.c \
	src/keras/table.c \
	src/keras/topology.h \
	src/keras/training.c \
	src/keras/weight.c \
	src/keras/weights.h \
	src/keras/writer.c
# layer families
libkerasd_a_SOURCES += \
	src/keras/activation_layers.c \
	src/keras/conv.c \
	src/keras/core.c \
	src/keras/embedding.c \
	src/keras/legacy_layers.c \
	src/keras/locally_connected.c \
	src/keras/lora.c src/keras/lora.h \
	src/keras/merge.c \
	src/keras/normalization.c \
	src/keras/normalization_pre.c \
	src/keras/padding.c \
	src/keras/pooling.c \
	src/keras/regularization.c
# attention
libkerasd_a_SOURCES += \
	src/keras/attention.c src/keras/attention.h \
	src/keras/multi_head.c
# keras.applications, refused classes
libkerasd_a_SOURCES += \
	src/keras/applications.c \
	src/keras/refused.c
# preprocessing
libkerasd_a_SOURCES += \
	src/keras/categorical.c src/keras/categorical.h \
	src/keras/lookup.c \
	src/keras/preprocessing.c \
	src/keras/random.c \
	src/keras/spectrogram.c \
	src/keras/text.c
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
	src/keras/ops.c src/keras/ops.h src/keras/ops_keras3.def \
	src/keras/ops_args.c \
	src/keras/ops_compose.h src/keras/ops_create.c \
	src/keras/ops_dtype.c \
	src/keras/ops_image.c \
	src/keras/ops_index.c \
	src/keras/ops_json.c \
	src/keras/ops_keras3.c src/keras/ops_numpy.c src/keras/ops_order.c \
	src/keras/ops_math.c src/keras/ops_math.h src/keras/ops_places.h \
	src/keras/ops_nn.c \
	src/keras/ops_nodedef.c \
	src/keras/ops_product.c \
	src/keras/ops_rare.c \
	src/keras/ops_color.c \
	src/keras/ops_matrix.c \
	src/keras/ops_reduce.c \
	src/keras/ops_shape.c \
	src/keras/ops_table_keras3.c \
	src/keras/ops_table_nodedef.c \
	src/keras/ops_table_tensorflow.c \
	src/keras/ops_tensorflow.c
# Lambda: from bytecode or the sidecar file to an expression
libkerasd_a_SOURCES += \
	src/keras/bytecode.c src/keras/bytecode.h src/keras/bytecode_walk.h \
	src/keras/bytecode_step.c \
	src/keras/bytecode_table.c src/keras/bytecode_table.h \
	src/keras/expr.c src/keras/expr.h \
	src/keras/expr_call.c \
	src/keras/expr_lower.c src/keras/expr_lowering.h \
	src/keras/expr_parse.c \
	src/keras/lambda.c src/keras/lambda.h \
	src/keras/marshal.c src/keras/marshal.h \
	src/keras/sidecar.c src/keras/sidecar.h
