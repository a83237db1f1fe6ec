# tests/unit: CUnit, one program per module, named after its source
if HAVE_CUNIT
UNIT_TESTS = tests/unit/test_base tests/unit/test_tensor
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
UNIT_LDADD = $(LDADD) $(CUNIT_LIBS)
tests_unit_test_base_SOURCES = tests/unit/test_base.c tests/unit/unit.h
tests_unit_test_base_LDADD = $(UNIT_LDADD)
tests_unit_test_tensor_SOURCES = tests/unit/test_tensor.c tests/unit/unit.h
tests_unit_test_tensor_LDADD = $(UNIT_LDADD)

# obs, conf, sched, registry
UNIT_TESTS += tests/unit/test_log tests/unit/test_metrics tests/unit/test_conf
tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/unit.h
tests_unit_test_log_LDADD = $(UNIT_LDADD)
tests_unit_test_metrics_SOURCES = tests/unit/test_metrics.c tests/unit/unit.h
tests_unit_test_metrics_LDADD = $(UNIT_LDADD)
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/unit.h
tests_unit_test_conf_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_queue
tests_unit_test_queue_SOURCES = tests/unit/test_queue.c tests/unit/unit.h
tests_unit_test_queue_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_pool
tests_unit_test_pool_SOURCES = tests/unit/test_pool.c tests/unit/unit.h
tests_unit_test_pool_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_registry
tests_unit_test_registry_SOURCES = tests/unit/test_registry.c tests/unit/unit.h
tests_unit_test_registry_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_mhd
tests_unit_test_mhd_SOURCES = tests/unit/test_mhd.c tests/unit/unit.h
tests_unit_test_mhd_LDADD = $(UNIT_LDADD)
# Counts the calls of the allocator in our own objects.
UNIT_TESTS += tests/unit/test_allocations
tests_unit_test_allocations_SOURCES = tests/unit/test_allocations.c tests/unit/unit.h
tests_unit_test_allocations_LDADD = $(UNIT_LDADD)
tests_unit_test_allocations_LDFLAGS = \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc -Wl,--wrap=strdup

# image
UNIT_TESTS += tests/unit/test_image
tests_unit_test_image_SOURCES = tests/unit/test_image.c tests/unit/unit.h
tests_unit_test_image_LDADD = $(UNIT_LDADD)

# load and h5
UNIT_TESTS += tests/unit/test_load
tests_unit_test_load_SOURCES = tests/unit/test_load.c tests/unit/unit.h
tests_unit_test_load_LDADD = $(UNIT_LDADD)
EXTRA_DIST += tests/data/h5 tests/data/h5-libhdf5

# keras
UNIT_TESTS += tests/unit/test_keras_config tests/unit/test_keras_graph tests/unit/test_keras_bind
UNIT_TESTS += tests/unit/test_keras_table
tests_unit_test_keras_table_SOURCES = tests/unit/test_keras_table.c tests/unit/keras_case.h tests/unit/unit.h
tests_unit_test_keras_table_LDADD = $(UNIT_LDADD)
tests_unit_test_keras_bind_SOURCES = tests/unit/test_keras_bind.c tests/unit/keras_case.h tests/unit/unit.h
tests_unit_test_keras_bind_LDADD = $(UNIT_LDADD)
tests_unit_test_keras_graph_SOURCES = tests/unit/test_keras_graph.c tests/unit/keras_case.h tests/unit/unit.h
tests_unit_test_keras_graph_LDADD = $(UNIT_LDADD)
tests_unit_test_keras_config_SOURCES = tests/unit/test_keras_config.c tests/unit/keras_case.h tests/unit/unit.h
tests_unit_test_keras_config_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_lambda
tests_unit_test_lambda_SOURCES = tests/unit/test_lambda.c tests/unit/unit.h
tests_unit_test_lambda_LDADD = $(UNIT_LDADD)
EXTRA_DIST += tests/data/lambda/make.py tests/data/lambda/samples.txt

# engine
UNIT_TESTS += tests/unit/test_engine
tests_unit_test_engine_SOURCES = tests/unit/test_engine.c tests/unit/engine_case.h tests/unit/unit.h
tests_unit_test_engine_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_engine_ops
tests_unit_test_engine_ops_SOURCES = tests/unit/test_engine_ops.c tests/unit/engine_case.h tests/unit/unit.h
tests_unit_test_engine_ops_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_engine_fuse
tests_unit_test_engine_fuse_SOURCES = tests/unit/test_engine_fuse.c tests/unit/engine_case.h tests/unit/unit.h
tests_unit_test_engine_fuse_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_engine_random
tests_unit_test_engine_random_SOURCES = tests/unit/test_engine_random.c tests/unit/engine_case.h tests/unit/unit.h
tests_unit_test_engine_random_LDADD = $(UNIT_LDADD)
# http
UNIT_TESTS += tests/unit/test_json_in
tests_unit_test_json_in_SOURCES = tests/unit/test_json_in.c tests/unit/unit.h
tests_unit_test_json_in_LDADD = $(UNIT_LDADD)
# kernels
UNIT_TESTS += tests/unit/test_kernels_gemm tests/unit/test_kernels_conv
UNIT_TESTS += tests/unit/test_kernels_reduce
tests_unit_test_kernels_reduce_SOURCES = tests/unit/test_kernels_reduce.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_reduce_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_kernels_elementwise
tests_unit_test_kernels_elementwise_SOURCES = tests/unit/test_kernels_elementwise.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_elementwise_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_kernels_movement
tests_unit_test_kernels_movement_SOURCES = tests/unit/test_kernels_movement.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_movement_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_kernels_resize
tests_unit_test_kernels_resize_SOURCES = tests/unit/test_kernels_resize.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_resize_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_kernels_lookup
tests_unit_test_kernels_lookup_SOURCES = tests/unit/test_kernels_lookup.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_lookup_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_kernels_math tests/unit/test_kernels_rnn
tests_unit_test_kernels_rnn_SOURCES = tests/unit/test_kernels_rnn.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_rnn_LDADD = $(UNIT_LDADD)
tests_unit_test_kernels_math_SOURCES = tests/unit/test_kernels_math.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_math_LDADD = $(UNIT_LDADD)
tests_unit_test_kernels_gemm_SOURCES = tests/unit/test_kernels_gemm.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_gemm_LDADD = $(UNIT_LDADD)
tests_unit_test_kernels_conv_SOURCES = tests/unit/test_kernels_conv.c tests/unit/kernels_test.h tests/unit/unit.h
tests_unit_test_kernels_conv_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_json_out
tests_unit_test_json_out_SOURCES = tests/unit/test_json_out.c tests/unit/unit.h
tests_unit_test_json_out_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_keras_ops
tests_unit_test_keras_ops_SOURCES = tests/unit/test_keras_ops.c tests/unit/keras_case.h tests/unit/unit.h
tests_unit_test_keras_ops_LDADD = $(UNIT_LDADD)
UNIT_TESTS += tests/unit/test_keras_recurrent
tests_unit_test_keras_recurrent_SOURCES = tests/unit/test_keras_recurrent.c tests/unit/keras_case.h tests/unit/unit.h
tests_unit_test_keras_recurrent_LDADD = $(UNIT_LDADD)
endif
