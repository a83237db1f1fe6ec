# src/http: row 7, protocols and the one libmicrohttpd user
libkerasd_a_SOURCES += \
	src/http/base64.c src/http/base64.h \
	src/http/http.h \
	src/http/inputs.c src/http/inputs.h \
	src/http/json_fill.c src/http/json_fill.h \
	src/http/json_number.c src/http/json_number.h \
	src/http/json_out.c src/http/json_out.h \
	src/http/json_scan.c src/http/json_scan.h \
	src/http/v1_body.c src/http/v1_body.h src/http/v1_problem.c
