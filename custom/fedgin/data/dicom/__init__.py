"""DICOM: image series, and label maps as SEG, RTSTRUCT or one PNG for each slice."""
