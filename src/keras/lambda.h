/* Lambda: the two classes whose function is an expression: Lambda itself, read from its bytecode or from the sidecar
 * file, and the stand-in for a custom class that the sidecar file defines. */
#ifndef KD_KERAS_LAMBDA_H
#define KD_KERAS_LAMBDA_H

struct keras_class;

extern const struct keras_class keras_class_lambda;
extern const struct keras_class keras_class_sidecar;

#endif
