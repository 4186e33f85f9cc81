"""VRTs, written by hand: mosaics of tiles, one within another, resampled."""

from __future__ import annotations

GRID, INVERSE = "500000,10,0,5000000,0,-10", "-50000,0.1,0,500000,0,-0.1"


def mosaic(path, sources, side, *, inner="", mask=""):
    """Write a VRT of square tiles of bytes, given by name, two side by side; return its path."""
    tiles = []
    for at, name in enumerate(sources):
        col, row = at % 2 * side, at // 2 * side
        tiles.append(
            f"<SimpleSource><SourceFilename relativeToVRT='{int(':' not in name and name[0] != '/')}'>"
            f"{name.replace('&', '&amp;')}</SourceFilename>{inner}<SourceBand>1</SourceBand>"
            f"<SourceProperties RasterXSize='{side}' RasterYSize='{side}' DataType='Byte'"
            f" BlockXSize='128' BlockYSize='128'/><SrcRect xOff='0' yOff='0' xSize='{side}' ySize='{side}'/>"
            f"<DstRect xOff='{col}' yOff='{row}' xSize='{side}' ySize='{side}'/></SimpleSource>"
        )
    band = f"<VRTRasterBand dataType='Byte' band='1'>{''.join(tiles)}</VRTRasterBand>"
    return dataset(path, band + mask, (2 * side, -(-len(sources) // 2) * side))


def dataset(path, content, size, kind=""):
    """Write a VRT of ``(width, height)`` pixels."""
    path.write_text(
        f"<VRTDataset rasterXSize='{size[0]}' rasterYSize='{size[1]}' {kind}><SRS>EPSG:32633</SRS>"
        f"<GeoTransform>{GRID}</GeoTransform>{content}</VRTDataset>"
    )
    return str(path)


def all_of(name, band="band='1'"):
    """Return the band of a VRT that is the first one of another raster."""
    return (
        f"<VRTRasterBand dataType='Byte' {band}><SimpleSource><SourceFilename relativeToVRT='1'>{name}"
        f"</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
    )


def masked_by(name):
    """Return the mask of a VRT that is the first band of another raster."""
    return f"<MaskBand>{all_of(name, '')}</MaskBand>"


def warped(path, name, size):
    """Write a VRT that resamples another raster onto its own grid, with threads."""
    content = (
        f"<VRTRasterBand dataType='Byte' band='1' subClass='VRTWarpedRasterBand'/>"
        f"<GDALWarpOptions><ResampleAlg>NearestNeighbour</ResampleAlg><WorkingDataType>Byte</WorkingDataType>"
        f"<Option name='INIT_DEST'>0</Option><Option name='NUM_THREADS'>4</Option>"
        f"<SourceDataset relativeToVRT='1'>{name}</SourceDataset><Transformer><GenImgProjTransformer>"
        f"<SrcGeoTransform>{GRID}</SrcGeoTransform><SrcInvGeoTransform>{INVERSE}</SrcInvGeoTransform>"
        f"<DstGeoTransform>{GRID}</DstGeoTransform><DstInvGeoTransform>{INVERSE}</DstInvGeoTransform>"
        f"</GenImgProjTransformer></Transformer><BandList><BandMapping src='1' dst='1'/></BandList>"
        f"</GDALWarpOptions>"
    )
    return dataset(path, content, size, "subClass='VRTWarpedDataset'")
