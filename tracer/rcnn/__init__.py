"""What the project knows of Faster R-CNN: models, stages, anatomy, narration, demo."""
