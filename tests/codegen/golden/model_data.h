/* model_data.h, written by tinyc VERSION. For C and C++; the data lies in model_data.cc. */
#ifndef TINYC_HAND_DATA_H_
#define TINYC_HAND_DATA_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The model: a TensorFlow Lite flatbuffer. */
#define HAND_BYTES 384
extern const unsigned char g_hand[HAND_BYTES];
extern const size_t g_hand_bytes;

/* Input: int8 of shape 1 x 3; real value = (q - zero point) * scale. */
#define HAND_INPUT_TYPE int8_t
#define HAND_INPUT_RANK 2
#define HAND_INPUT_SHAPE {1, 3}
#define HAND_INPUT_SIZE 3
#define HAND_INPUT_SCALE 0.25f
#define HAND_INPUT_ZERO_POINT (3)

/* Output: int8 of shape 1 x 3; real value = (q - zero point) * scale. */
#define HAND_OUTPUT_TYPE int8_t
#define HAND_OUTPUT_RANK 2
#define HAND_OUTPUT_SHAPE {1, 3}
#define HAND_OUTPUT_SIZE 3
#define HAND_OUTPUT_SCALE 0.00390625f
#define HAND_OUTPUT_ZERO_POINT (-128)

/* Preprocessing: the network was trained on raw value * scale + offset, so that an input is
   q = round((raw * PREPROCESS_SCALE + PREPROCESS_OFFSET) / INPUT_SCALE) + INPUT_ZERO_POINT, clipped to its type. */
#define HAND_PREPROCESS_SCALE 0.003921569f
#define HAND_PREPROCESS_OFFSET (-0.5f)

/* Tensor arena: the least with which TensorFlow Lite Micro allocated and invoked this model on a 64-bit host, with the
   host's kernels, 1248 bytes. It was not measured on a device, whose kernels may ask for other scratch
   memory. 16 bytes less fail on the host, and TFLM may then crash instead of reporting it. */
#define HAND_ARENA_BYTES 1248

/* Classes, in the order of the outputs, which are probabilities; UTF-8. */
#define HAND_CLASSES 4
extern const char* const g_hand_labels[HAND_CLASSES];

#ifdef __cplusplus
}
#endif

#endif /* TINYC_HAND_DATA_H_ */
