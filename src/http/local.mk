# src/http: row 7, protocols and the one libmicrohttpd user
libkerasd_a_SOURCES += \
	src/http/admin.c src/http/admin.h \
	src/http/base64.c src/http/base64.h \
	src/http/control.c \
	src/http/docs.c src/http/docs.h \
	src/http/gzip.c src/http/gzip.h \
	src/http/http.c src/http/http.h \
	src/http/inputs.c src/http/inputs.h \
	src/http/json_fill.c src/http/json_fill.h \
	src/http/json_number.c src/http/json_number.h \
	src/http/json_out.c src/http/json_out.h \
	src/http/json_scan.c src/http/json_scan.h \
	src/http/listen.c \
	src/http/mhd.c src/http/mhd.h \
	src/http/observe.c src/http/observe.h \
	src/http/openapi.c \
	src/http/predict.c src/http/predict.h \
	src/http/reaper.c src/http/reaper.h \
	src/http/request.c src/http/request.h \
	src/http/response.c \
	src/http/route.c src/http/route.h \
	src/http/server.h \
	src/http/status.c src/http/status.h \
	src/http/v1.c src/http/v1.h \
	src/http/v1_body.c src/http/v1_body.h \
	src/http/v1_encode.c \
	src/http/v1_examples.c \
	src/http/v1_model.c \
	src/http/v1_problem.c \
	src/http/v2.c src/http/v2.h \
	src/http/v2_binary.c \
	src/http/v2_body.c src/http/v2_body.h \
	src/http/v2_encode.c \
	src/http/v2_entry.c \
	src/http/v2_model.c \
	src/http/v2_repository.c

# Texts that are compiled in: each line a string literal.
HTTP_TEXTS = src/http/docs.inc src/http/openapi.inc
HTTP_QUOTE = sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/'
src/http/docs.inc: $(srcdir)/src/http/docs.html
	$(AM_V_GEN)$(MKDIR_P) src/http && $(HTTP_QUOTE) $(srcdir)/src/http/docs.html > $@.tmp && mv $@.tmp $@
src/http/openapi.inc: $(srcdir)/src/http/openapi.json
	$(AM_V_GEN)$(MKDIR_P) src/http && $(HTTP_QUOTE) $(srcdir)/src/http/openapi.json > $@.tmp && mv $@.tmp $@
src/http/docs.$(OBJEXT): src/http/docs.inc
src/http/openapi.$(OBJEXT): src/http/openapi.inc
CLEANFILES += $(HTTP_TEXTS)
EXTRA_DIST += src/http/docs.html src/http/openapi.json
