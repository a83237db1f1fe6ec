# KERASD_WARNINGS: the warnings that the whole tree compiles clean with; --enable-werror makes them errors.
AC_DEFUN([KERASD_WARNINGS], [
AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [warnings are errors])], [], [enable_werror=no])
kerasd_warnings=
for flag in -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wcast-qual \
            -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Wno-format-nonliteral -Wno-pass-failed \
            -Wno-unused-parameter -Wno-missing-field-initializers; do
    AC_MSG_CHECKING([whether $CC accepts $flag])
    save_CFLAGS="$CFLAGS"
    # gcc takes any -Wno-x, known or not: the positive form tells.
    CFLAGS="$CFLAGS -Werror $(echo "$flag" | sed 's/^-Wno-/-W/')"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes]); kerasd_warnings="$kerasd_warnings $flag"], [AC_MSG_RESULT([no])])
    CFLAGS="$save_CFLAGS"
done
AS_IF([test "x$enable_werror" = xyes], [kerasd_warnings="$kerasd_warnings -Werror"])
AC_SUBST([WARNING_CFLAGS], ["$kerasd_warnings"])
])
