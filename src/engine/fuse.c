/* fuse: placeholder. */
#include "engine/engine_data.h"

int engine_fuse(struct engine *engine, struct err *err)
{
    return 0;
}
