// test_vectors.cc, written by tinyc VERSION.
#include "test_vectors.h"

const HAND_INPUT_TYPE
    g_hand_test_inputs[HAND_TEST_VECTORS][HAND_INPUT_SIZE] = {
    {
        -6, -5, -4,
    },
    {
        -3, -2, -1,
    },
    {
        0, 1, 2,
    },
    {
        3, 4, 5,
    },
};

const HAND_OUTPUT_TYPE
    g_hand_test_outputs[HAND_TEST_VECTORS][HAND_OUTPUT_SIZE] = {
    {
        -128, -128, -128,
    },
    {
        -128, -128, -128,
    },
    {
        -128, -128, -128,
    },
    {
        -128, -128, -128,
    },
};
