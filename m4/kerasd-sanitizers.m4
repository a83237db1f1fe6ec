# KERASD_SANITIZERS: --enable-asan, --enable-ubsan, --enable-tsan, --enable-fuzzers (libFuzzer, clang).
AC_DEFUN([KERASD_SANITIZERS], [
AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [address sanitizer])], [], [enable_asan=no])
AC_ARG_ENABLE([ubsan], [AS_HELP_STRING([--enable-ubsan], [undefined-behaviour sanitizer])], [], [enable_ubsan=no])
AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [thread sanitizer])], [], [enable_tsan=no])
AC_ARG_ENABLE([fuzzers], [AS_HELP_STRING([--enable-fuzzers], [build the libFuzzer targets (clang)])], [],
    [enable_fuzzers=no])
kerasd_sanitizers=
sanitizer_cflags=
AS_IF([test "x$enable_asan" = xyes],
    [kerasd_sanitizers="$kerasd_sanitizers address"; sanitizer_cflags="$sanitizer_cflags -fsanitize=address"])
AS_IF([test "x$enable_ubsan" = xyes],
    [kerasd_sanitizers="$kerasd_sanitizers undefined"
     sanitizer_cflags="$sanitizer_cflags -fsanitize=undefined -fno-sanitize-recover=undefined"])
AS_IF([test "x$enable_tsan" = xyes],
    [AS_IF([test "x$enable_asan" = xyes], [AC_MSG_ERROR([--enable-tsan and --enable-asan exclude each other])])
     kerasd_sanitizers="$kerasd_sanitizers thread"; sanitizer_cflags="$sanitizer_cflags -fsanitize=thread"])
AS_IF([test "x$enable_fuzzers" = xyes], [sanitizer_cflags="$sanitizer_cflags -fsanitize=fuzzer-no-link"])
AS_IF([test -n "$sanitizer_cflags"],
    [sanitizer_cflags="$sanitizer_cflags -fno-omit-frame-pointer"
     AC_DEFINE([KD_SANITIZED], [1], [built with sanitizers: the loader child keeps standard error])])
AS_IF([test -z "$kerasd_sanitizers"], [kerasd_sanitizers=none])
kerasd_sanitizers=$(echo $kerasd_sanitizers | tr ' ' '+')
AC_SUBST([SANITIZER_CFLAGS], ["$sanitizer_cflags"])
AM_CONDITIONAL([SANITIZED], [test -n "$sanitizer_cflags"])
AM_CONDITIONAL([FUZZERS], [test "x$enable_fuzzers" = xyes])
])
