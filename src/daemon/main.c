/* main: the command line. */
#include <stdio.h>

int main(void)
{
    puts("kerasd");
    return 0;
}
