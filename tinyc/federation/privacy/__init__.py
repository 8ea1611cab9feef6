"""What keeps an update private: clipping and noise, and encryption; masks are Flower's (`flower.masks`)."""
