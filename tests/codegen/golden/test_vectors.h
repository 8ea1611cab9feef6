/* test_vectors.h, written by tinyc VERSION. Inputs, and what TFLM 1.0 gives for each. */
#ifndef TINYC_HAND_TEST_VECTORS_H_
#define TINYC_HAND_TEST_VECTORS_H_

#include "model_data.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HAND_TEST_VECTORS 4
extern const HAND_INPUT_TYPE g_hand_test_inputs[HAND_TEST_VECTORS][HAND_INPUT_SIZE];
extern const HAND_OUTPUT_TYPE g_hand_test_outputs[HAND_TEST_VECTORS][HAND_OUTPUT_SIZE];

#ifdef __cplusplus
}
#endif

#endif /* TINYC_HAND_TEST_VECTORS_H_ */
