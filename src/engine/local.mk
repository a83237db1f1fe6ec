# src/engine: row 3
libkerasd_a_SOURCES += \
	src/engine/attrs.h src/engine/engine.h src/engine/engine_data.h src/engine/fuse.h \
	src/engine/graph.h src/engine/graph_data.h \
	src/engine/lookup.h src/engine/op.h src/engine/window.h \
	src/engine/cache.c \
	src/engine/compile.c \
	src/engine/fold.c \
	src/engine/fold_weights.c \
	src/engine/fuse.c \
	src/engine/fuse_gates.c \
	src/engine/fuse_same.c \
	src/engine/graph.c \
	src/engine/op.c \
	src/engine/op_conv.c \
	src/engine/op_einsum.c \
	src/engine/op_elementwise.c \
	src/engine/op_gather.c \
	src/engine/op_image.c \
	src/engine/op_lookup.c \
	src/engine/op_movement.c \
	src/engine/op_pool.c \
	src/engine/op_product.c \
	src/engine/op_reduce.c \
	src/engine/op_rnn.c \
	src/engine/op_shape.c \
	src/engine/op_sort.c \
	src/engine/op_source.c \
	src/engine/op_text.c \
	src/engine/parts.c \
	src/engine/place.c \
	src/engine/plan.c \
	src/engine/rows.c \
	src/engine/run.c \
	src/engine/trace.c \
	src/engine/window.c
