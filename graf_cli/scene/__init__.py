"""The seam: what families make and the renderer takes. It knows no family and no renderer."""
