/* What the daemon and its loader child agree on beside the image itself. */
#ifndef KD_IMAGE_PROTOCOL_H
#define KD_IMAGE_PROTOCOL_H

/* The child's descriptors: the model file, the empty memfd for the image, the pipe for one line of text. */
#define CHILD_FILE_FD    0
#define CHILD_IMAGE_FD   3
#define CHILD_MESSAGE_FD 4

/* How the child ends: 0 with a finished image; CHILD_STATUS_BASE - KD_E* with a sentence on the pipe;
 * CHILD_STATUS_JAIL when it tried a system call that its jail refuses, named on the pipe. */
#define CHILD_STATUS_BASE 32
#define CHILD_STATUS_JAIL 48

#endif
