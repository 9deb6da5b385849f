SELECT DISTINCT device, ts FROM readings
