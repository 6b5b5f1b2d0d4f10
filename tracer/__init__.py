"""Step through torchvision's Faster R-CNN: record a real pass, then look at every part of it."""
