/* KD_ASSERT stays on in release builds: cheap, and a broken invariant must not serve wrong numbers. */
#ifndef KD_BASE_ASSERT_H
#define KD_BASE_ASSERT_H

_Noreturn void assert_failed(const char *expression, const char *file, int line);

#define KD_ASSERT(expression)                                                                       \
    ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))

#endif
