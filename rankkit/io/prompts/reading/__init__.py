"""What tables and text files say of images: cells, columns, names, texts. No source of its own."""
