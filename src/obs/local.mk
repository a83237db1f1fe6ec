# src/obs
